"""Epochs of training with early stopping, and the figures that each of them gives."""

from collections.abc import Callable

import keras
import numpy as np

EpochReporter = Callable[[int, dict[str, float]], None]
# Values (n_segments, n_frames, n_dims) and the class index of each segment.
Labelled = tuple[np.ndarray, np.ndarray]


class EpochRecorder:
    """Keeps the figures of each epoch (loss, accuracy, val_loss, val_accuracy) and passes them on as they come.

    Epochs are counted on from one call of :func:`train_epochs` to the next.
    """

    def __init__(self, report_epoch: EpochReporter) -> None:
        self.history: list[dict[str, float]] = []
        self._report_epoch = report_epoch

    @property
    def best_epoch(self) -> int:
        """The first epoch, from 0, with the lowest validation loss."""
        return int(np.argmin([epoch["val_loss"] for epoch in self.history]))

    def record(self, figures: dict[str, float]) -> None:
        """Take down the next epoch."""
        self.history.append(figures)
        self._report_epoch(len(self.history) - 1, figures)


def train_epochs(
    model: keras.Model,
    train: Labelled,
    validation: Labelled,
    *,
    epochs: int,
    patience: int,
    batch_size: int,
    learning_rate: float,
    recorder: EpochRecorder,
) -> None:
    """Train with Adam until the validation loss has not fallen for ``patience`` epochs; the best weights stay.

    Parameters
    ----------
    model : keras.Model
        From values to logits.
    """
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    stopping = keras.callbacks.EarlyStopping(monitor="val_loss", patience=patience, restore_best_weights=True)
    recording = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda _, logs: recorder.record({name: float(value) for name, value in logs.items()})
    )
    model.fit(
        *train,
        validation_data=validation,
        epochs=epochs,
        batch_size=batch_size,
        callbacks=[recording, stopping],
        verbose=0,
    )
