"""Modality dropout: training cases lose what real cases may lack."""

from __future__ import annotations

import torch

__all__ = ["drop_units", "droppable_units"]


def droppable_units(n_images: int, n_tables: int) -> torch.Tensor:
    """Return what a case can lose at once: one modality, all images or all tables.

    Parameters
    ----------
    n_images, n_tables : int
        Image and tabular modalities of a network.

    Returns
    -------
    Tensor of shape (n_units, n_images + n_tables), bool
        Images first. A network that could be left without any modality by losing one is not
        meant to lose it: `drop_units` sees to that case by case.

    Examples
    --------
    >>> droppable_units(1, 2).int().tolist()
    [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1]]
    """
    units = [row.bool() for row in torch.eye(n_images + n_tables)]
    is_image = torch.arange(n_images + n_tables) < n_images
    # A side of several modalities is also lost as a whole, or images would hardly ever be alone.
    units += [side for side in (is_image, ~is_image) if side.sum() > 1]
    return torch.stack(units)


def drop_units(present: torch.Tensor, units: torch.Tensor, *, share: float) -> torch.Tensor:
    """Let a share of the cases lose one unit each, never all that they have.

    Each unit that a case has a part of, and that is not all it has, is equally likely [1]_.

    Parameters
    ----------
    present : Tensor of shape (n_cases, n_modalities), bool
        What the cases have.
    units : Tensor of shape (n_units, n_modalities), bool
        See `droppable_units`.
    share : float
        In [0, 1]; chance of a case to lose something, if it has two modalities or more.

    Returns
    -------
    Tensor of shape (n_cases, n_modalities), bool
        What the cases keep; random numbers come from torch's generator.

    References
    ----------
    .. [1] Neverova, Wolf, Taylor & Nebout (2016), ModDrop: adaptive multi-modal gesture
       recognition, IEEE TPAMI 38(8).
    """
    has = present[:, None, :]
    eligible = (has & units).any(dim=2) & (has & ~units).any(dim=2)
    device = present.device
    lots = torch.rand(eligible.shape, device=device).masked_fill(~eligible, -1.0)
    loses = (torch.rand(len(present), device=device) < share) & eligible.any(dim=1)
    lost: torch.Tensor = units[lots.argmax(dim=1)] & loses[:, None]
    return present & ~lost
