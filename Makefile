# The commands of the benchmark. `make` alone explains them.

PYTHON ?= python3
VENV ?= .venv

# What is typed goes to the command as it stands, in the environment, and `bench.cli.make` reads it there: make would
# run a $(shell ...) in it, and a shell what follows a semicolon. `override`: no typed variable changes this file.
override TYPED := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
override TYPED := $(filter-out MAKE%,$(TYPED))
$(foreach name,$(sort $(TYPED) PYTHON VENV),$(eval override $(name) := $$(value $(name))))
export $(TYPED) PYTHON VENV
export BENCH_TYPED BENCH_GOALS
override BENCH_TYPED := $(TYPED)
override BENCH_GOALS := $(MAKECMDGOALS)
override SHELL := /bin/sh
override .SHELLFLAGS := -c
override RUN := $(if $(strip $(VENV)),"$$VENV"/bin/python,$$PYTHON)
override COMMANDS := bench report test check conform list speed train search explain export audit where residuals segment selfscore noisy compare compare-runs merge top why verify citations site demo docs gpu torture verify-measured

# Commands without a program of their own say here that they take no variable.
override OTHERS := $(filter-out PYTHON VENV TESTS BENCH_MIRROR BENCH_CACHE BENCH_TRACEBACK,$(TYPED))
ifeq ($(filter-out help setup check clean,$(MAKECMDGOALS)),)
$(if $(OTHERS),$(error make $(or $(MAKECMDGOALS),help) does not take $(OTHERS)))
endif

.DEFAULT_GOAL := help
.PHONY: help setup clean docs-packages $(COMMANDS)

override INSTALL = [ -z "$$VENV" ] || { [ -e "$$VENV/.ready" ] && \
	  [ -z "$$(find requirements.txt constraints.txt -newer "$$VENV/.ready")" ]; } || { $$PYTHON -m venv "$$VENV" && \
	  $(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt && \
	  touch "$$VENV/.ready"; }

# `make help bench` explains one command, and runs none.
override ASKED := $(if $(filter help,$(MAKECMDGOALS)),$(filter-out help,$(MAKECMDGOALS)))
ifneq ($(ASKED),)
.PHONY: $(ASKED)
help:
	@$(INSTALL)
	@$(RUN) -m bench.cli.make help
$(ASKED):
	@:
else

help:  ## Explain the commands (the default), or one: make help bench
	@echo "Commands:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{ \
	  line = sprintf("  make %-12s", $$1); count = split($$2, word, " "); \
	  for (i = 1; i <= count; i++) { \
	    if (length(line " " word[i]) > 80) { print line; line = sprintf("%19s", "") } line = line " " word[i] } \
	  print line }'
	@echo
	@echo "Variables (each a comma list, or all):"
	@echo "  METHOD=bm3d,dncnn   methods, or path/to/my_method.py"
	@echo "  DATA=bsd68,set12    datasets, parts (set12:01,02), a folder of images"
	@echo "  RANGE=4095          white of your images deeper than 8 bits"
	@echo "  NOISE=15,25,50      sigma (0-255), KIND:VALUE, A+B, pairs"
	@echo "  SEED=0,1,2          seeds of the noise, or 0-9"
	@echo "  PROTOCOL=standard   standard, seed0, clipped, float, sr, or your own, as"
	@echo "                      standard,channel=y,crop=4"
	@echo "For any method:"
	@echo "  ENSEMBLE=8          mean over flips and rotations"
	@echo "  PRECISION=fp32,tf32,bf16,fp16"
	@echo "  TILE=512            side of the tiles"
	@echo "  COMPILE=1           torch.compile"
	@echo "  MEMORY=4            GiB a cell may take"
	@echo "  TIMEOUT=60          seconds that loading your own method may take,"
	@echo "                      and each call of it (default 3600; 0: no limit)"
	@echo "  SIGMA=15            what methods are told, whatever the noise, or an"
	@echo "                      estimate of each image: wavelet, patches, patches:4"
	@echo "  OUTPUT=residual     what your own method returns, where it is no image"
	@echo "  WEIGHTS=file        your own file of weights"
	@echo "  AS=adnet            by whose published numbers your method is judged"
	@echo "  CLAIM=30.58,ssim:0.861   or a CSV file: your own claim, judged as they are"
	@echo "Where and how it runs:"
	@echo "  DEVICE=auto|cpu|cuda|cuda:1   BACKEND=auto|torch|onnxruntime"
	@echo "  ENGINE=serial|loky|dask   JOBS=n"
	@echo "  SCHEDULER=tcp://HOST:PORT, file.json, slurm.yml   (ENGINE=dask)"
	@echo "  FRESH=1             run again what is finished"
	@echo "Others:"
	@echo "  DRY_RUN=1           what would run, download, and how long it takes"
	@echo "  TABLE=file.csv      the table as a file: .csv, .md, .tex or .json"
	@echo "  JSON=1              JSON on standard output, all else on standard error"
	@echo "  SAVE=folder         noisy and denoised images as files (bench)"
	@echo "  OUT=folder          of all that is written (default results)"
	@echo "  PICTURES=n          images a report shows for each noise; 0: all"
	@echo "  ONE_FILE=1          a report's page that needs no other file (few pictures)"
	@echo "  CHANGE='steps=2000 depth=8 features=[16,24]"
	@echo "          schedule=[[0.6,0.1],[0.8,0.1]] options.weight=0.1'"
	@echo "          NAME=mine (train)"
	@echo "  START=rdn-small@own train from these weights"
	@echo "  RECORD=methods/weights/X.json NAME=again (train as it says)"
	@echo "  IMAGE=01 PIXEL='12,30;7,8'    (explain: rows and columns)"
	@echo "  FORMAT=onnx|tflite TO=file    (export)"
	@echo "  FORMAT=npy|tiff|png TO=folder (noisy)"
	@echo "  SEGMENTER=file IMAGES=n       (segment: weights of a segmentation"
	@echo "                      network; so many images)"
	@echo "  TARGET=29.41 METRIC=psnr|ssim RUNS=n IMAGES=n BUDGET=20m   (why: the"
	@echo "                      number to explain, 29.41/0.8312, one an image, or each)"
	@echo "  PYTHON=python3 VENV=   use an existing environment instead of .venv"
	@echo "  BENCH_TRACEBACK=1   show where an error came from"
	@echo
	@echo "Try:  make bench      (no download, three methods on ten photographs)"
	@echo "      make bench METHOD=dncnn DATA=bsd68"
	@echo "      make help bench         (all that it takes)"
endif

ifeq ($(ASKED),)
setup:  ## Install the pinned packages into VENV (.venv)
	@$(INSTALL)

# The documentation needs packages that nothing else does.
docs: docs-packages
docs-packages: setup
	@[ -z "$$VENV" ] || { [ -e "$$VENV/.docs" ] && [ -z "$$(find requirements-docs.txt constraints.txt -newer "$$VENV/.docs")" ]; } || \
	  { $(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-docs.txt -c constraints.txt && touch "$$VENV/.docs"; }

# At Ctrl-C the command has said what is kept, and make, which is interrupted too, needs to add no "Error 130".
$(COMMANDS): setup
	@hit=; trap 'hit=1' INT; $(RUN) -m bench.cli.make $@ || { status=$$?; [ "$$hit" ] || exit $$status; }
endif

bench:  ## Measure METHOD on DATA with NOISE, beside the published numbers
report:  ## Turn all finished runs into a page, tables and charts (PICTURES, ONE_FILE, FORMAT=png; results/report/)
test:  ## Prove the code and the published numbers (TESTS=tests/bench for a part)
check:  ## Format, lint, types, who may import whom, and each row of the ledger
conform:  ## Check that a method of any origin keeps the contract (METHOD, WEIGHTS, MEGAPIXELS); without METHOD, hold PSNR, SSIM, BM3D and bicubic of packages against what is right (TABLE)
list:  ## Say which methods, datasets, noise and protocols there are (WHAT=datasets, METHOD=name or colour,blind,ready, DATA=name)
speed:  ## Measure speed as ratios in the same run (METHOD: its forward pass; WHAT=train METHOD: its training; WHAT=scale: how cost grows with images, cells, records, workers)
train:  ## Train METHOD by its recipe (DATA, NOISE, SEED, BUDGET=9m, CHANGE='batch=32 ...', NAME); then METHOD=name@own
search:  ## Search for a network's block, number and channels (METHOD=recipe, SEED, BUDGET, CHANGE; results/search/)
explain:  ## Filters and net bias of networks (METHOD, DATA, NOISE, IMAGE, PIXEL; results/explain/)
export:  ## Write networks as ONNX or TFLite files (METHOD, DATA, NOISE, FORMAT, TO; results/export/)
audit:  ## Find test images in training sets and in other test sets (DATA, TABLE; results/audit/); LIMITS=1: which planted overlaps it finds
verify:  ## Measure and judge every published number that can be measured (METHOD, DATA, BUDGET=1h; results/measured/verify.csv)
citations:  ## Published numbers that later papers print otherwise, and the likeliest cause (TABLE; results/measured/citations.csv)
docs:  ## This documentation as a site that opens from disk (results/docs/index.html)
demo:  ## Three methods on two sets and their report, without a download (results/demo/report/index.html)
gpu:  ## Prove, time and use a GPU in steps of 9 minutes (STEP=1 to 5, DEVICE, BUDGET, TO; results/measured/gpu-*.csv)
torture:  ## Kill, damage, starve and deceive the benchmark: what is lost, false or run by it (WHAT=kills,records,faults,input,determinism,load; SEED, BUDGET=10m; results/measured/torture.csv)
verify-measured:  ## Measure cells of the committed tables again, picked at random, and compare (SEED, BUDGET, COUNT=20, METHOD, DATA)
site:  ## The public leaderboard as static files, measured beside published, from what is committed (TO; results/site/)
compare:  ## Whether methods differ on the same images: intervals, tests, ranks (METHOD=a,b, DATA, NOISE, METRIC; results/compare/)
compare-runs:  ## What changed between two folders of results: cells, numbers, verdicts, versions (A=folder, B=folder, TABLE)
merge:  ## Take the results of another folder, or machine, into OUT; nothing is overwritten, and conflicts are named (FROM=folder)
top:  ## Rank what was measured and what was published of a dataset, with protocol and source (DATA, NOISE, METRIC, TABLE)
why:  ## Why a number is not met: the choices that explain it (METHOD, DATA, NOISE, TARGET=29.41, METRIC, IMAGES, BUDGET=20m; results/why/)
where:  ## Where errors sit: near boundaries, inside regions, by class (METHOD, DATA, NOISE; results/where/)
residuals:  ## Is what methods take away the noise: histograms, normality (METHOD, DATA, NOISE, IMAGES, PATCHES; results/residuals/)
segment:  ## What a segmentation network makes of denoised images (METHOD, DATA, NOISE, SEGMENTER, IMAGES; results/segment/)
selfscore:  ## Rank methods without a reference, and hold that against PSNR (METHOD, DATA, NOISE, SIGMA; results/selfscore/)
noisy:  ## Write noisy images for another program (DATA, NOISE, SEED, PROTOCOL, FORMAT, TO); METHOD=outputs:folder scores it

ifeq ($(ASKED),)
clean:  ## Remove runs, report, figures, exports and caches (not .venv, not downloads)
	@$$PYTHON -m bench.cli.clean
endif
