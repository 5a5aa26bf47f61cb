"""Adam as Keras has it (Kingma and Ba 2015, Algorithm 1, in the order of its section 2).

m <- m + (1 - b1) (g - m), v <- v + (1 - b2) (g^2 - v), and
w <- w - rate sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps).
"""

__all__ = ["BETA_1", "BETA_2", "EPSILON"]

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7
