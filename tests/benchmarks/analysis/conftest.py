from paper import few_resamples as few_resamples
