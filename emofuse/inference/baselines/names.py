"""What linear models are called in files and in print."""

ALONE, NEIGHBOURS = "linear model", "linear model with neighbours"
LOGISTIC, DISCRIMINANT, RIDGE = "logistic regression", "linear discriminant analysis", "ridge"
STRENGTH_NAMES = {LOGISTIC: "C", DISCRIMINANT: "shrinkage", RIDGE: "penalty"}
