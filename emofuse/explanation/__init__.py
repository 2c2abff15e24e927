"""Why a run said what it said: how much each modality moved it, and what of the picture was kept.

explanation = explain(EmotionPipeline.from_pretrained("runs/demo"), clip_utterance("clip.mp4", text="Oh no!")[0])
explanation.shapley["text"]["sadness"]
"""

from emofuse.explanation.encoded_dialogue import EncodedDialogue
from emofuse.explanation.files import write_explanation
from emofuse.explanation.gate_files import write_gates
from emofuse.explanation.gates import Gates, explain_gates, has_gates
from emofuse.explanation.modalities import Explanation, explain, leave_one_out, shapley_values

__all__ = [
    "EncodedDialogue",
    "Explanation",
    "Gates",
    "explain",
    "explain_gates",
    "has_gates",
    "leave_one_out",
    "shapley_values",
    "write_explanation",
    "write_gates",
]
