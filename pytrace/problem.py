"""What is wrong with the machine or with one of its files, as opposed to the script or to pytrace."""


class Problem(Exception):
    """Base of the errors whose text the command shows in one line, instead of a traceback: `BpfError`, `BccMissing`,
    `BtfError`, `ElfError`."""
