from pytrace.cli import command

command()
