"""Networks without values in their weights, for tests that count them."""

import keras

import builders


def build(name: str, **arguments) -> keras.Model:
    """Builds as `builders.build` does; weights have a shape and no value."""
    with keras.StatelessScope(initialize_variables=False):
        return builders.build(name, **arguments)
