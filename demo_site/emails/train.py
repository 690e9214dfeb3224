"""Trains the e-mail example: of which of five kinds an e-mail is, from its text as it stands.

    python demo_site/emails/train.py [-o demo_site/emails/emails.keras]

The e-mails are invented (``corpus.py``), since real ones are private and the free collections cannot be had
from a package. The text is made into words and pairs of words by a TextVectorization inside of the model.

Two figures are printed: the accuracy on e-mails from the same templates, drawn with another seed, which says
little, and on the twenty that were written by hand in other words, which is what to expect at best.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf
from corpus import KINDS, WRITTEN, write_emails

SEED = 7
EMAILS = 2000
EPOCHS = 12
WORDS = 1500  # and pairs of words


def main() -> None:
    """Train, print both figures, and write the model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("emails.keras"))
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    arguments = parser.parse_args()

    keras.utils.set_random_seed(SEED)
    emails, kinds = write_emails(EMAILS, SEED)
    model = build_model(emails)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(column(emails), np.array(kinds), batch_size=32, epochs=arguments.epochs, verbose=0)

    drawn, drawn_kinds = write_emails(500, SEED + 1)
    written = [text for _, text in WRITTEN]
    written_kinds = [KINDS.index(kind) for kind, _ in WRITTEN]
    print(f"Same templates: {accuracy(model, drawn, drawn_kinds):.1%} of {len(drawn)} e-mails")
    print(f"Written by hand: {accuracy(model, written, written_kinds):.1%} of {len(written)} e-mails")
    # The optimizer's state is of no use to whoever predicts.
    bare = build_model(emails)
    bare.set_weights(model.get_weights())
    bare.save(arguments.output)
    print(f"Wrote {arguments.output}: {arguments.output.stat().st_size / 1000:.0f} kB")


def build_model(emails: list[str]) -> keras.Model:
    """Return the model: ``email``, text [batch, 1], to ``kind`` [batch, 5]; its vocabulary is ``emails``'."""
    layers = keras.layers
    words = layers.TextVectorization(max_tokens=WORDS, ngrams=2, output_mode="tf_idf", name="words")
    words.adapt(emails)
    email = keras.Input((1,), dtype="string", name="email")
    x = layers.Dense(16, activation="relu")(words(email))
    x = layers.Dropout(0.5)(x)
    kind = layers.Dense(len(KINDS), activation="softmax", name="kind")(x)
    return keras.Model(email, kind, name="emails")


def accuracy(model: keras.Model, emails: list[str], kinds: list[int]) -> float:
    """Return the share of ``emails`` for which the likeliest kind is the right one."""
    return float(np.mean(model.predict(column(emails), verbose=0).argmax(-1) == np.array(kinds)))


def column(emails: list[str]) -> tf.Tensor:
    """Return e-mails as the model takes them: text [n, 1]."""
    return tf.constant([[email] for email in emails])


if __name__ == "__main__":
    main()
