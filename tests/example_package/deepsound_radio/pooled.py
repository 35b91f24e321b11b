from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Pooled:
    units: int = 32
    dropout: float = 0.2

    def build(self, x):
        from keras import layers

        x = layers.Concatenate()([layers.GlobalAveragePooling1D()(x), layers.GlobalMaxPooling1D()(x)])
        return layers.Dropout(self.dropout)(layers.Dense(self.units, activation="relu")(x))
