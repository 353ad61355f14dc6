"""The data sets: each is a function from a network and options to a sequence of cases."""

from collections.abc import Mapping

from benchmarks.datasets.case import Case, DataOptions, Dataset, check_dataset, check_options
from benchmarks.datasets.coco import coco_folder
from benchmarks.datasets.imagenet import imagenet_folder
from benchmarks.datasets.imagenet_s import imagenet_s
from benchmarks.datasets.photos import mosaics, whole_photographs
from benchmarks.datasets.predicted import imagenet_predicted
from benchmarks.datasets.scenes.endless import endless_scenes
from benchmarks.datasets.scenes.read import evaluation_scenes
from benchmarks.datasets.voc import voc_folder, voc_masks

__all__ = ["DATASETS", "Case", "DataOptions", "Dataset", "check_dataset", "check_options"]

DATASETS: Mapping[str, Dataset] = {
    "scenes": evaluation_scenes,
    "scenes-endless": endless_scenes,
    "photos": mosaics,
    "photos-single": whole_photographs,
    "imagenet-predicted": imagenet_predicted,
    "imagenet": imagenet_folder,
    "imagenet-s": imagenet_s,
    "voc": voc_folder,
    "voc-masks": voc_masks,
    "coco": coco_folder,
}
"""Every data set by name."""
