"""
Explain a picture
=================

A network says that a picture shows a *checked star*. What in the picture made it say so? MINT answers at two scales:
the coarse answer is the region that carries the decision, and the fine answer is which parts of it matter.
"""

# %%
# A network and a picture
# -----------------------
#
# The suite brings two small networks and 96 pictures for them, called *scenes*: photographs on which objects of
# twelve classes were drawn. They need no download. ``network.tensor`` turns a picture into the network's input.

import matplotlib.pyplot as plt

from benchmarks.datasets import DATASETS, DataOptions
from benchmarks.networks import load_network
from mint import MINT, Display, Explanation

network = load_network("scenes-resnet")
cases = DATASETS["scenes"](network, DataOptions())
case = next(each for each in cases if each.key == "scene-0003.checked-star")
image = network.tensor(case.image)
probabilities = network.module(image[None]).softmax(1)[0]
for probability, index in zip(*(found.tolist() for found in probabilities.topk(3)), strict=True):
    print(f"{probability:7.2%}  {network.classes[index]}")

# %%
# The explanation
# ---------------
#
# MINT cuts the picture into super-pixels, hides random sets of them 1000 times, and looks at what the network answers.
# The panel shows, from left to right: the picture with the borders of the super-pixels; the coarse answer; the fine
# answer, drawn as the paper draws it (colours are the network's features, not importance); and the importance of
# each part, red for the class and blue against it.

explanation = MINT(samples=1000).explain(network.module, image, case.target)
figure = explanation.plot(class_name=case.target_name, contours=True, figure=plt.figure())

# %%
# The same as numbers
# -------------------
#
# ``u_c`` and ``u_f`` are the importances of the coarse and of the fine super-pixels. The fidelity says how well MINT's
# simple model of the network predicts the network's answers to hidden pictures: 1 is perfect, 0 is as good as always
# saying the mean. Look at the number *held out*: it is of answers that the model has not seen.

print(f"the network's probability    {explanation.answer:.3f}")
print(f"importance of the region     {float(explanation.u_c[explanation.chosen_coarse]):.3f}")
print(f"parts that are shown         {len(explanation.chosen_fine)} of {len(explanation.u_f)}")
print(f"fidelity, fine, held out     {explanation.fidelity.fine_held_out:.2f}")
print(f"cost                         {explanation.cost.forwards} pictures through the network")

# %%
# A class that is not there
# -------------------------
#
# Most methods always show something. MINT can say that nothing in the picture speaks for a class: here, no region
# reaches an importance of .05.

absent = network.classes.index("checked-triangle")
nothing = MINT(samples=1000, shown=Display(minimal_importance=0.05)).explain(
    network.module, image, absent
)
print(nothing.abstention)

# %%
# Keep it
# -------
#
# An explanation is saved with everything that it was computed from, and read again bit for bit.

import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())
explanation.save(folder / "checked-star")
again = Explanation.load(folder / "checked-star")
print(sorted(file.name for file in folder.iterdir()), bool((again.u_f == explanation.u_f).all()))

# %%
# A picture of yours
# ------------------
#
# From the command line, for a picture and one of torchvision's classifiers (its weights are downloaded once)::
#
#     mint explain zebra.jpg --model resnet50
#
# The quick start has more of this command. Next: two classes in one picture.
