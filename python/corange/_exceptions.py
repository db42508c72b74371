"""Warnings that corange raises beside the built-in exceptions."""


class ConvergenceWarning(UserWarning):
    """An iteration stopped before its tolerance was met; the result's report says how far it came."""


ConvergenceWarning.__module__ = "corange"
