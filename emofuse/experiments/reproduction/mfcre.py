"""Tables 2 to 9 of the MFCRE paper."""

from __future__ import annotations

from emofuse.experiments.reproduction.plan import PaperPlan, PaperTable, Variant, sweep_rows

_WHOLE = Variant("whole", "MFCRE")
_BOTH = ("iemocap", "meld")
_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
# As the paper prints them; Adam's weight decay of 2λ is λ‖θ‖² of Eq. 15.
_LAMBDAS = ("0.1", "0.01", "0.001", "0.0001", "0.00001", "0.000001")

_CLASSES = "each class"
_ABLATION = (
    ("DialogueCRN", "dialogue_crn"),
    ("SimAM", "simam"),
    ("modality encoder", "modality_encoder"),
    ("MultiAttn", "multi_attn"),
    ("SWFC", "swfc"),
    ("Soft-HGR", "soft_hgr"),
)

MFCRE_PLAN = PaperPlan(
    system="mfcre",
    title="MFCRE",
    source="Qi, Ibrayim and Tohti, Contextual xLSTM-Based Multimodal Fusion for Conversational Emotion Recognition",
    figures="mfcre.csv",
    corpora=("demo", "iemocap", "meld"),
    tables=(
        PaperTable("2", _CLASSES, (_WHOLE,), ("iemocap",), compared=True),
        PaperTable("3", _CLASSES, (_WHOLE,), ("meld",), compared=True),
        PaperTable(
            "4",
            "ablations",
            (
                _WHOLE,
                *(
                    Variant(f"without-{option}", f"w/o {name}", {f"model.options.{option}": False})
                    for name, option in _ABLATION
                ),
            ),
            _BOTH,
        ),
        PaperTable(
            "5",
            "sample weight α, temperature τ and focus γ of SWFC",
            (
                *sweep_rows("α", "alpha", "model.options.alpha", (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)),
                *sweep_rows("τ", "tau", "model.options.temperature", (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1)),
                *sweep_rows("γ", "gamma", "model.options.gamma", (1, 2, 3, 4, 5, 6, 7)),
            ),
            ("meld",),
            chosen_on_test=True,
        ),
        PaperTable(
            "6",
            "weight μ1 of SWFC",
            sweep_rows("μ1", "mu1", "model.options.mu1", _SHARES),
            _BOTH,
            chosen_on_test=True,
        ),
        PaperTable(
            "7",
            "weight μ2 of Soft-HGR",
            sweep_rows("μ2", "mu2", "model.options.mu2", _SHARES),
            _BOTH,
            chosen_on_test=True,
        ),
        PaperTable(
            "8",
            "L2 regularisation λ",
            tuple(
                Variant(f"lambda-{value}", f"λ = {value}", {"optimiser.weight_decay": 2 * float(value)})
                for value in _LAMBDAS
            ),
            _BOTH,
            chosen_on_test=True,
        ),
        PaperTable(
            "9",
            "layers N of MultiAttn",
            sweep_rows("N", "layers", "model.options.multi_attn_layers", range(1, 9)),
            _BOTH,
            chosen_on_test=True,
        ),
    ),
)
