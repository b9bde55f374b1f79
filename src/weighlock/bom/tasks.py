"""What goes into a model and what comes out of it, as far as its task says so.

Source:
    The tasks of the Hugging Face Hub (``pipeline_tag``), https://huggingface.co/tasks.
"""

_TABLE = """
    any-to-any: text image audio video > text image audio video
    audio-classification: audio > label
    audio-text-to-text: audio text > text
    audio-to-audio: audio > audio
    automatic-speech-recognition: audio > text
    depth-estimation: image > image
    document-question-answering: image text > text
    feature-extraction: text > embedding
    fill-mask: text > text
    image-classification: image > label
    image-feature-extraction: image > embedding
    image-segmentation: image > mask
    image-text-to-text: image text > text
    image-to-image: image > image
    image-to-text: image > text
    image-to-video: image > video
    keypoint-detection: image > keypoints
    mask-generation: image > mask
    object-detection: image > boxes
    question-answering: text > text
    sentence-similarity: text > score
    summarization: text > text
    table-question-answering: table text > text
    tabular-classification: table > label
    tabular-regression: table > number
    text-classification: text > label
    text-generation: text > text
    text-ranking: text > score
    text-to-audio: text > audio
    text-to-image: text > image
    text-to-speech: text > audio
    text-to-video: text > video
    text2text-generation: text > text
    time-series-forecasting: series > series
    token-classification: text > label
    translation: text > text
    unconditional-image-generation: noise > image
    video-classification: video > label
    video-text-to-text: video text > text
    visual-question-answering: image text > text
    zero-shot-classification: text > label
    zero-shot-image-classification: image text > label
    zero-shot-object-detection: image text > boxes
"""


def _row(line: str) -> tuple[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    task, _, rest = line.partition(":")
    taken, _, given = rest.partition(">")
    return task.strip(), (tuple(taken.split()), tuple(given.split()))


FORMATS = dict(map(_row, _TABLE.strip().splitlines()))
"""Inputs and outputs by task."""
