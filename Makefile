# make check: what CI checks besides the tests.
.PHONY: check test format
check:
	ruff check .
	ruff format --check .
	mypy
	lint-imports
test:
	pytest
format:
	ruff format .
	ruff check --fix .
