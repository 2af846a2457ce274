# Everything that is done to Concord. Each target does its own set-up on a Debian machine that has Rust and a C
# compiler: as root it installs what is missing, otherwise it says in one line what to install.
.POSIX:
.PHONY: help run test check bench hostile rehearse suites image generate fuzz mutants

help: ## say what the targets do
	@awk -F ' ## ' '/^[a-z]+:.* ## / { sub(/:.*/, "", $$1); printf "make %-10s %s\n", $$1, $$2 }' Makefile

run: ## build and start a server with synthetic people on 127.0.0.1:8080 (FRESH=1: from nothing)
	@FRESH='$(FRESH)' scripts/run.sh

test: ## run every test on SQLite and on a throw-away PostgreSQL (ARGS='-p concord-fhir': only some)
	@scripts/test.sh $(ARGS)

check: ## formatting, lints, documentation, layers, structure, licences, advisories, generated files
	@scripts/check.sh

bench: ## measure the product against its floor (ARGS: for the bench)
	@scripts/bench.sh $(ARGS)

hostile: ## measure what one hostile caller of each kind does to all others (ARGS: --strict, --kinds, ...)
	@scripts/hostile.sh $(ARGS)

rehearse: ## rehearse what fails around two nodes over PostgreSQL, and print what became of it (ARGS: scenarios)
	@scripts/rehearse.sh $(ARGS)

suites: ## run client libraries of others, unmodified, against a server (installs them in the target folder)
	@scripts/suites.sh

image: ## build a container image, started before it is packed (ARGS=--check: gather and start only)
	@scripts/image.sh $(ARGS)

generate: ## write the generated files anew: R4 tables, OpenAPI document, page of settings, synthetic people
	@scripts/generated.sh

fuzz: ## fuzz every parser for FUZZ_SECONDS each (60 unless set; FUZZ_TARGET: only that one)
	@scripts/fuzz.sh

mutants: ## change the access decision in every small way, and list what no test notices (ARGS: for cargo-mutants)
	@scripts/mutants.sh $(ARGS)
