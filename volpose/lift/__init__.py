"""2D joints in, metric poses out: the second half of the decoupled network on its own.

It is trained on motion capture alone, seen by virtual cameras through the eyes of a faulty
detector, so that it can stand behind any detector of 2D joints.

Paper: Sec. 3.3.
"""
