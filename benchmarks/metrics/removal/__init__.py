"""Metrics that remove pixels: curves, ROAD, and other tools' protocols."""
