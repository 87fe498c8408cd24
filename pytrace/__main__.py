from pytrace.start import command

command()
