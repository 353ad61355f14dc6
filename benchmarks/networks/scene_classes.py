"""What the scenes are: their size, their classes, and how their networks take a picture. It imports nothing."""

SIZE = 112  # height and width of a scene in pixels
SILHOUETTES = ("disc", "triangle", "cross", "star")
TEXTURES = ("striped", "checked", "dotted")
CLASSES: tuple[str, ...] = tuple(f"{texture}-{silhouette}" for silhouette in SILHOUETTES for texture in TEXTURES)
"""The twelve classes in the order of the networks' outputs: each silhouette in each texture."""

# Channel statistics (RGB, for pixels in [0, 1]) that the networks' input is normalised with.
MEAN = (0.5, 0.5, 0.5)
STD = (0.25, 0.25, 0.25)
