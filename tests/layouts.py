"""Small data sets, written in the layouts of VOC 2007, COCO 2014 and ImageNet-S."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Thing = tuple[str, int, int, int, int, int]
"""A class, the box (xmin, ymin, xmax, ymax, counted from 1), and whether VOC marks it as difficult."""
VOC_PICTURES: Mapping[str, tuple[int, int, Sequence[Thing]]] = {
    # width, height, objects
    "000001": (60, 40, [("dog", 1, 1, 20, 20, 0), ("person", 21, 1, 60, 40, 0), ("person", 1, 21, 10, 40, 1)]),
    "000002": (40, 52, [("car", 5, 5, 14, 14, 0)]),
    "000003": (40, 40, [("cat", 1, 1, 40, 40, 1), ("sofa", 3, 3, 12, 12, 0)]),
    "000004": (64, 40, [("bus", 11, 11, 40, 30, 0), ("car", 41, 5, 44, 8, 0)]),
}
VOC_CASES = ["000001.dog", "000001.person", "000002.car", "000003.sofa", "000004.bus", "000004.car"]


def photograph(width: int, height: int, seed: int = 0) -> np.ndarray:
    """A picture with structure at several scales, uint8 (height, width, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def voc_xml(width: int, height: int, things: Sequence[Thing]) -> str:
    objects = "".join(
        f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>{left}</xmin><ymin>{top}</ymin>"
        f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
        for name, left, top, right, bottom, difficult in things
    )
    return f"<annotation><size><width>{width}</width><height>{height}</height></size>{objects}</annotation>"


def write_voc(folder: Path, pictures: Mapping[str, tuple[int, int, Sequence[Thing]]] = VOC_PICTURES) -> Path:
    """Write a VOCdevkit, and return it."""
    voc = folder / "VOCdevkit" / "VOC2007"
    for name in ("ImageSets/Main", "ImageSets/Segmentation", "Annotations", "JPEGImages", "SegmentationClass"):
        (voc / name).mkdir(parents=True)
    for number, (name, (width, height, things)) in enumerate(pictures.items()):
        Image.fromarray(photograph(width, height, number)).save(voc / "JPEGImages" / f"{name}.jpg")
        (voc / "Annotations" / f"{name}.xml").write_text(voc_xml(width, height, things), encoding="utf-8")
    (voc / "ImageSets/Main/test.txt").write_text("\n".join(pictures) + "\n", encoding="utf-8")
    return voc.parent


def save_labels(labels: np.ndarray, file: Path) -> None:
    """Write the classes of pixels, uint8 (height, width), as VOC does: as a PNG with a palette."""
    picture = Image.fromarray(labels)
    picture.putpalette([(37 * value) % 256 for value in range(768)])
    picture.save(file)


def rectangle(left: int, top: int, width: int, height: int) -> list[list[int]]:
    """A polygon as COCO has it, whose mask is exactly these pixels."""
    right, bottom = left + width, top + height
    return [[left, top, right, top, right, bottom, left, bottom]]


def runs(mask: np.ndarray) -> dict[str, Any]:
    """A crowd's mask as COCO has it: lengths of runs, column by column, of pixels outside and inside in turn."""
    flat = mask.ravel(order="F").astype(int)
    edges = np.flatnonzero(np.diff(flat, prepend=0)).tolist()
    counts = np.diff([0, *edges, flat.size]).tolist()
    return {"size": list(mask.shape), "counts": counts}


def write_coco(folder: Path, images: Sequence[Mapping[str, Any]], annotations: Sequence[Mapping[str, Any]]) -> Path:
    """Write pictures and annotations, to which the numbers are added that all of them have; return the folder."""
    (folder / "annotations").mkdir()
    (folder / "val2014").mkdir()
    for about in images:
        pixels = photograph(about["width"], about["height"], about["id"])
        Image.fromarray(pixels).save(folder / "val2014" / about["file_name"])
    numbered = [{"id": number, "iscrowd": 0, "area": 1.0, **each} for number, each in enumerate(annotations, start=1)]
    content = {"images": list(images), "annotations": numbered, "categories": [{"id": 1, "name": "person"}]}
    (folder / "annotations/instances_val2014.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def coco_image(number: int, width: int, height: int) -> dict[str, Any]:
    return {"id": number, "width": width, "height": height, "file_name": f"COCO_val2014_{number:012d}.jpg"}


WNIDS = [f"n{10 * index:08d}" for index in range(1000)]


def write_imagenet_s(folder: Path) -> Path:
    """Write fifty classes, the second and the last with a picture, whose upper half is the class, and return it."""
    (folder / "synset_words.txt").write_text("\n".join(f"{wnid} name" for wnid in WNIDS), encoding="utf-8")
    for wnid in WNIDS[100:600:10]:
        (folder / "validation-segmentation" / wnid).mkdir(parents=True)
    for number, wnid in ((2, WNIDS[110]), (50, WNIDS[590])):
        (folder / "validation" / wnid).mkdir(parents=True)
        Image.new("RGB", (96, 64), (number, 0, 0)).save(folder / "validation" / wnid / f"picture-{number}.JPEG")
        mask = np.zeros((64, 96, 3), np.uint8)
        mask[:32, :, 0] = number
        mask[32:] = (1000 % 256, 1000 // 256, 0)
        Image.fromarray(mask).save(folder / "validation-segmentation" / wnid / f"picture-{number}.png")
    return folder


def write_coco_example(folder: Path) -> Path:
    """Write two pictures and three classes in COCO's layout, and return the folder."""
    things = [
        {"image_id": 1, "category_id": 1, "segmentation": rectangle(0, 0, 30, 40)},
        {"image_id": 1, "category_id": 90, "segmentation": rectangle(0, 0, 20, 20)},
        {"image_id": 2, "category_id": 18, "segmentation": rectangle(10, 10, 10, 10)},
    ]
    return write_coco(folder, [coco_image(1, 60, 40), coco_image(2, 40, 50)], things)


def write_voc_masks(folder: Path) -> Path:
    """Write a VOCdevkit of which one picture is segmented, and return it."""
    kit = write_voc(folder)
    labels = np.zeros((40, 60), np.uint8)
    labels[:10, :20], labels[10, :20], labels[20:, :] = 12, 255, 15
    save_labels(labels, kit / "VOC2007/SegmentationClass/000001.png")
    (kit / "VOC2007/ImageSets/Segmentation/test.txt").write_text("000001\n")
    return kit
