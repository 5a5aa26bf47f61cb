"""In place of training: random features, of which only the last layer learns; milliseconds."""

import numpy as np
from sklearn.linear_model import LogisticRegression


def member_by_its_last_layer(train, job, **options):
    """As `run_in_worker` that trains a member, but here."""
    import keras

    from skprune.ensemble._builder import build_cnn

    settings, load = job.settings, job.data.load
    model = build_cnn(
        job.plan.architecture,
        settings.input_shape,
        settings.n_classes,
        offset=settings.offset,
        scale=settings.scale,
        seed=job.plan.seed,
    )
    features = keras.Model(model.input, model.layers[-1].input)
    found = features(np.asarray(load("X"), dtype=np.float32), training=False)
    fit_last_layer(model, found, load("y"), load("sample_weight"))
    return model.get_weights(), {}


def fit_last_layer(model, features, codes, weights):
    last = LogisticRegression(max_iter=200).fit(np.asarray(features), codes, weights)
    coef, intercept = last.coef_.T, last.intercept_
    if model.output_shape[-1] == 2:
        coef, intercept = np.hstack([-coef, coef]) / 2, np.hstack([-intercept, intercept]) / 2
    model.layers[-1].set_weights([coef, intercept])
