"""Experiments that several notebooks run, and the results of the larger runs, with where they come from.

    from coursekit.experiments import degradation, loss_surface, results

    runs = degradation.train_all(setting, train, test)      # plain against residual, at any depth
    degradation.measured()                                  # the same at a larger setting, stored
    grid = loss_surface.losses(net, across, up, steps, *examples)
    results.provenance(results.read("loss_surface"))        # date, machine, versions, command

What is stored lies in `measured/`, written by a script of `scripts/` that runs the same code.
"""

from coursekit.experiments import degradation, loss_surface, results

__all__ = ["degradation", "loss_surface", "results"]
