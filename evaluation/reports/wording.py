"""How scores and protocols are called where people read of them."""

SCORE_NAMES = {
    "macro_f1": "macro-F1",
    "micro_f1": "micro-F1",
    "uar": "UAR",
    "top3_accuracy": "top-3 accuracy",
    "top1_agreement": "top-1 agreement",
    "nll": "NLL",
    "brier": "Brier score",
    "ece": "ECE",
    "classwise_ece": "classwise ECE",
    "kl": "KL",
    "chebyshev": "Chebyshev",
    "clark": "Clark",
    "canberra": "Canberra",
    "jensen_shannon": "Jensen–Shannon",
    "mean_average_precision": "mAP",
    "average_precision": "AP",
    "jaccard": "Jaccard",
    "ccc": "CCC",
    "pearson": "Pearson",
    "spearman": "Spearman",
    "rmse": "RMSE",
    "mae": "MAE",
    "f1": "F1",
}
PROTOCOLS = {
    "linear": "A linear map on frozen features; rate and penalty chosen on the validation split.",
    "neighbours": "The nearest neighbours among frozen features of the training split.",
    "few_shot": "A linear map on frozen features that learns from a part of the training split, drawn anew "
    "with every seed.",
    "transfer": "A linear map that learns from another task's training split, its labels mapped.",
    "zero_shot": "The class whose sentences lie nearest in a teacher's space; nothing is trained.",
    "finetune": "The whole encoder is trained on the task.",
}
PERCEIVED = "Labels are what people perceive, not what anyone felt."


def score_name(score: str) -> str:
    """As papers write it; of a score not listed, its own name with blanks."""
    return SCORE_NAMES.get(score, score.replace("_", " "))


def chance(p: float) -> str:
    """A p-value as a relation: "< 0.001" or "= 0.012"."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"
