"""A prediction as lines for people."""

from deepsound.doctor.prediction import Prediction, Range


def format_prediction(prediction: Prediction, *, input_path: str, n_sampled: int, n_files: int) -> list[str]:
    """A line a figure: the figure, and where it may well lie."""
    cores = "1 core" if prediction.n_cores == 1 else f"{prediction.n_cores} cores"
    start_up = format_clock(prediction.start_up_s)
    wall = [format_clock(seconds) for seconds in _three(prediction.wall_s)]
    hours = [f"{seconds / 3600:.3f}" for seconds in _three(prediction.work_s)]
    output = [f"{size / 1e6:.1f}" for size in _three(prediction.output_bytes)]
    worker = [f"{size / 1e9:.2f}" for size in _three(prediction.worker_bytes)]
    return [
        f"prediction for {n_files} files of {input_path} on {cores}, from {n_sampled} of them:",
        f"  core-hours     {hours[0]:>10}     {hours[1]} to {hours[2]}",
        f"  wall time      {wall[0]:>10}     {wall[1]} to {wall[2]}, of which {start_up} start-up",
        f"  output         {output[0]:>10} MB  {output[1]} to {output[2]} MB",
        f"  worker memory  {worker[0]:>10} GB  {worker[1]} to {worker[2]} GB, for each of {cores}",
    ]


def format_clock(seconds: float) -> str:
    """Hours, minutes and seconds: ``1:02:03``."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}"


def _three(found: Range) -> tuple[float, float, float]:
    return found.value, found.low, found.high
