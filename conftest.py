"""Let nbval compare a chapter's outputs as tools/slim.py describes them.

Without nbval (the unit tests) this does nothing.
"""

from slim import close, is_picture, picture_difference, slim_outputs


def pytest_configure(config):
    """Give nbval our comparison, which knows pictures, figures and rounding."""
    if not config.getoption("nbval", default=False):
        return
    from nbval.plugin import IPyNbCell

    compare = IPyNbCell.compare_outputs

    def compare_slim(cell, outputs, reference, skip_compare=None):
        outputs = slim_outputs(outputs)
        for output, expected in zip(outputs, reference, strict=False):
            forgive(output, expected, cell.sanitize)
        return compare(cell, outputs, reference, skip_compare)

    IPyNbCell.compare_outputs = compare_slim


def forgive(output: dict, expected: dict, sanitize):
    """Take over the reference's wording where the difference is only rounding."""
    forms, expected_forms = output.get("data", {}), expected.get("data", {})
    if is_picture(forms) and is_picture(expected_forms):
        difference = picture_difference(forms, expected_forms)
        forms.update(expected_forms)
        if difference:
            forms["text/plain"] += f"; {difference}"
        return
    for name in forms.keys() & expected_forms.keys():
        if close(sanitize(forms[name]), sanitize(expected_forms[name])):
            forms[name] = expected_forms[name]
    both_text = "text" in output and "text" in expected
    if both_text and close(sanitize(output["text"]), sanitize(expected["text"])):
        output["text"] = expected["text"]
