# The commands of the benchmark. `make` alone explains them.

PYTHON ?= python3
VENV ?= .venv
METHOD ?=
DATA ?=
NOISE ?=
SEED ?=
PROTOCOL ?=
WEIGHTS ?=
ENSEMBLE ?=
PRECISION ?=
TILE ?=
SIGMA ?=
COMPILE ?=
MEMORY ?=
MEGAPIXELS ?=
DEVICE ?=
BACKEND ?=
ENGINE ?=
JOBS ?=
TABLE ?=
PICTURES ?=
IMAGE ?=
PIXEL ?=
IMAGES ?=
SIDE ?=
SEGMENTER ?=
WHAT ?=
BUDGET ?=
CHANGE ?=
NAME ?=
START ?=
RECORD ?=
FORMAT ?=
TO ?=
OUT ?=
TESTS ?=

ifeq ($(strip $(VENV)),)
RUN := $(PYTHON)
READY :=
else
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
endif

quote = '$(subst ','\'',$(1))'
option = $(if $(strip $($(1))),--$(2) $(call quote,$($(1))))

.DEFAULT_GOAL := help
.PHONY: help setup bench report test check conform list audit where segment selfscore train search speed explain export clean

help:  ## Explain the commands (the default)
	@echo "Commands:"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-15s %s\n", $$1, $$2}'
	@echo
	@echo "Variables (each a comma list, or all):"
	@echo "  METHOD=bm3d,dncnn   methods, or path/to/my_method.py        DATA=bsd68,set12   datasets, or a folder of images"
	@echo "  NOISE=15,25,50      sigma (0-255), KIND:VALUE, A+B, pairs   SEED=0,1,2         seeds of the noise"
	@echo "  PROTOCOL=standard   standard, seed0, clipped, float, sr"
	@echo "For any method: ENSEMBLE=8 (mean over flips and rotations)  PRECISION=fp32,tf32,bf16,fp16  TILE=512 (side of the tiles)"
	@echo "        COMPILE=1 (torch.compile)  MEMORY=4 (GiB a cell may take)"
	@echo "        SIGMA=15 (what methods are told, whatever the noise)"
	@echo "Others: WEIGHTS=file  DEVICE=auto|cpu|cuda|cuda:1  BACKEND=auto|torch|onnxruntime  ENGINE=serial|loky  JOBS=n"
	@echo "        TABLE=file.csv  PICTURES=n (images a report shows for each noise; 0: all)  OUT=folder (default results)"
	@echo "        CHANGE='steps=2000 depth=8 features=[16,24] schedule=[[0.6,0.1],[0.8,0.1]] options.weight=0.1'  NAME=mine (train)"
	@echo "        START=rdn-small@own (train from these weights)  RECORD=methods/weights/X.json NAME=again (train as it says)"
	@echo "        IMAGE=01 PIXEL='12,30;7,8' (explain: rows and columns)  FORMAT=onnx|tflite TO=file (export)"
	@echo "        SEGMENTER=file IMAGES=n (segment: weights of a segmentation network; so many images)"
	@echo "        PYTHON=python3 VENV=   use an existing environment instead of .venv"
	@echo
	@echo "Try:  make bench                          (no download, three methods on ten photographs)"
	@echo "      make bench METHOD=dncnn DATA=bsd68"

setup: $(READY)  ## Install the pinned packages into VENV (.venv)

$(VENV)/.ready: requirements.txt constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	@touch $@

bench: $(READY)  ## Measure METHOD on DATA with NOISE, beside the published numbers
	@$(RUN) -m bench run $(call option,METHOD,method) $(call option,DATA,data) $(call option,NOISE,noise) \
	  $(call option,SEED,seed) $(call option,PROTOCOL,protocol) $(call option,WEIGHTS,weights) \
	  $(call option,ENSEMBLE,ensemble) $(call option,PRECISION,precision) $(call option,TILE,tile) $(call option,SIGMA,sigma) \
	  $(if $(filter-out 0,$(COMPILE)),--compile) $(call option,MEMORY,memory) \
	  $(call option,DEVICE,device) $(call option,BACKEND,backend) $(call option,ENGINE,engine) \
	  $(call option,JOBS,jobs) $(call option,TABLE,table) $(call option,OUT,out)

report: $(READY)  ## Turn all finished runs into a page, tables and charts (PICTURES, FORMAT=png; results/report/)
	@$(RUN) -m bench report $(call option,PICTURES,pictures) $(call option,FORMAT,format) $(call option,OUT,out)

test: $(READY)  ## Prove the code and the published numbers (TESTS=tests/bench for a part)
	$(RUN) -m pytest --numprocesses=auto --dist=worksteal $(TESTS)

check: $(READY)  ## Format, lint and types
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy

conform: $(READY)  ## Check that a method of any origin keeps the contract (METHOD, WEIGHTS, MEGAPIXELS)
	@$(RUN) -m bench conform $(call option,METHOD,method) $(call option,WEIGHTS,weights) \
	  $(call option,MEGAPIXELS,megapixels)

list: $(READY)  ## Say which methods, datasets, noise and protocols there are (WHAT=datasets, METHOD=name, DATA=name)
	@$(RUN) -m bench list $(WHAT) $(METHOD) $(DATA)

speed: $(READY)  ## Measure speed as ratios in the same run (METHOD: its forward pass; WHAT=train METHOD: its training)
	@$(RUN) -m bench speed $(call option,WHAT,what) $(call option,METHOD,method) $(call option,DATA,data) $(call option,TABLE,table)

train: $(READY)  ## Train METHOD by its recipe (DATA, NOISE, SEED, BUDGET=9m, CHANGE='batch=32 ...', NAME); then METHOD=name@own
	@$(RUN) -m bench train $(call option,METHOD,method) $(call option,DATA,data) $(call option,NOISE,noise) \
	  $(call option,SEED,seed) $(call option,BUDGET,budget) $(call option,CHANGE,set) $(call option,NAME,name) \
	  $(call option,START,start) $(call option,RECORD,record) \
	  $(call option,DEVICE,device) $(call option,JOBS,jobs) $(call option,TO,to) $(call option,OUT,out)

search: $(READY)  ## Search for a network's block, number and channels (METHOD=recipe, SEED, BUDGET, CHANGE; results/search/)
	@$(RUN) -m bench search $(call option,METHOD,method) $(call option,DATA,data) $(call option,NOISE,noise) \
	  $(call option,SEED,seed) $(call option,BUDGET,budget) $(call option,CHANGE,set) $(call option,NAME,name) \
	  $(call option,DEVICE,device) $(call option,JOBS,jobs) $(call option,OUT,out)

explain: $(READY)  ## Filters and net bias of networks (METHOD, DATA, NOISE, IMAGE, PIXEL; results/explain/)
	@$(RUN) -m bench explain $(call option,METHOD,method) $(call option,DATA,data) $(call option,NOISE,noise) \
	  $(call option,IMAGE,image) $(call option,PIXEL,pixel) $(call option,WEIGHTS,weights) $(call option,OUT,out)

export: $(READY)  ## Write networks as ONNX or TFLite files (METHOD, DATA, NOISE, FORMAT, TO; results/export/)
	@$(RUN) -m bench export $(call option,METHOD,method) $(call option,DATA,data) $(call option,NOISE,noise) \
	  $(call option,FORMAT,format) $(call option,TO,to) $(call option,WEIGHTS,weights) \
	  $(call option,PRECISION,precision) $(call option,OUT,out)

audit: $(READY)  ## Find test images in training sets and in other test sets (DATA, TABLE; results/audit/)
	@$(RUN) -m bench audit $(call option,DATA,data) $(call option,TABLE,table) $(call option,OUT,out)

where: $(READY)  ## Where errors sit: near boundaries, inside regions, by class (METHOD, DATA, NOISE; results/where/)
	@$(RUN) -m bench where $(call option,METHOD,method) $(call option,DATA,data) $(call option,NOISE,noise) \
	  $(call option,WEIGHTS,weights) $(call option,OUT,out)

segment: $(READY)  ## What a segmentation network makes of denoised images (METHOD, DATA, NOISE, SEGMENTER, IMAGES, TABLE; results/segment/)
	@$(RUN) -m bench segment $(call option,METHOD,method) $(call option,DATA,data) $(call option,NOISE,noise) \
	  $(call option,SEED,seed) $(call option,WEIGHTS,weights) $(call option,TILE,tile) $(call option,SIGMA,sigma) \
	  $(call option,SEGMENTER,segmenter) $(call option,IMAGES,images) $(call option,IMAGE,image) \
	  $(call option,DEVICE,device) $(call option,JOBS,jobs) $(call option,TABLE,table) $(call option,OUT,out)

selfscore: $(READY)  ## Rank methods without a reference, and hold that against PSNR (METHOD, DATA, NOISE, SIGMA)
	@$(RUN) -m bench selfscore $(call option,METHOD,method) $(call option,DATA,data) $(call option,NOISE,noise) \
	  $(call option,SIGMA,sigma) $(call option,IMAGES,images) $(call option,SIDE,side) $(call option,TABLE,table)

clean:  ## Remove runs, report, figures, exports and caches (not .venv, not downloads)
	rm -rf results/runs results/report results/explain results/export results/where results/segment results/audit results/search .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
