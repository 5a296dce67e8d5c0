"""The certificate under an estimator's diagram in a notebook."""

from __future__ import annotations

import html

from steepest.certify.words import explain
from steepest.protocols import Certificate

_PASSED, _FAILED = "#2e7d32", "#b26a00"


def certificate_note(objective: str, certificate: Certificate) -> str:
    """Verdict and objective as a piece of HTML that needs no style sheet and follows the page's colours.

    Parameters
    ----------
    objective : str
        What was minimised.
    certificate : Certificate
    """
    colour, mark = (_PASSED, "\u2713") if certificate.passed else (_FAILED, "!")
    return (
        f'<div class="steepest-certificate" style="border-left: 4px solid {colour}; margin: 0.5em 0; '
        'padding: 0.2em 0.8em; max-width: 60em; font-size: 0.9em">'
        f'<div><b style="color: {colour}">{mark}</b> {html.escape(explain(certificate))}</div>'
        f'<div style="opacity: 0.8; overflow-wrap: anywhere">Minimised <code>{html.escape(objective)}</code></div>'
        "</div>"
    )
