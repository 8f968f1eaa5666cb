"""What the kernels that build the documentation do differently from yours: nothing in the results, only how they look."""

c = get_config()

c.InteractiveShell.xmode = "Minimal"  # errors: the message, which is meant to be read
c.InlineBackend.figure_formats = {"svg"}
c.InlineBackend.rc = {
    "figure.figsize": (6.0, 3.6),
    "figure.dpi": 96,
    "font.size": 10,
    "svg.hashsalt": "minijax",
    "axes.spines.top": False,
    "axes.spines.right": False,
}
c.HistoryManager.enabled = False
c.IPKernelApp.log_level = 40  # errors only: the kernel runs for the length of a page, on this machine
