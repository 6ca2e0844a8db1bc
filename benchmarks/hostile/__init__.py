"""Files that a folder of pictures should not hold, each with the verdict and the words that it must get."""
