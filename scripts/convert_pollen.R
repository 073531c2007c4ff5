# Write Pollen 2014 (read counts, populations) as the text that the data set `pollen` reads.
#
#   Rscript scripts/convert_pollen.R OUT/pollen2014_11pop.tsv [pollen.rda]
#
# To be run where R and Bioconductor are: BiocManager::install("SummarizedExperiment"). The source
# is an R object of that package, which no Python reader opens. It is downloaded unless a copy is
# given. Put what is written into a folder that CLIP_ALIGN_CACHE names: the loader takes it by its
# sha256, so genes are sorted as C sorts and numbers are written in full, whatever the locale.
#
# First line: `gene` and the population of every cell; then a line a gene: its symbol, its counts.

suppressPackageStartupMessages(library(SummarizedExperiment))

source_url <- paste0(
  "https://raw.githubusercontent.com/gongx030/scDatasets/",
  "f0204657b18f18f8d5eeb09f93aed749aac482b1/data/pollen.rda"
)
populations <- c(
  "2338", "2339", "BJ", "GW16", "GW21", "GW21+3", "HL60", "iPS", "K562", "Kera", "NPC"
)

arguments <- commandArgs(trailingOnly = TRUE)
if (!length(arguments) %in% 1:2) {
  stop("usage: Rscript convert_pollen.R OUT/pollen2014_11pop.tsv [pollen.rda]")
}
rda <- arguments[2]
if (is.na(rda)) {
  rda <- tempfile(fileext = ".rda")
  download.file(source_url, rda, mode = "wb")
}

loaded <- new.env()
load(rda, envir = loaded)
experiment <- updateObject(get("pollen", envir = loaded)) # saved by an older Bioconductor

# The column that names the populations is known by what it holds.
columns <- lapply(as.list(colData(experiment)), as.character)
holds_populations <- vapply(columns, setequal, logical(1), populations)
if (!any(holds_populations)) {
  stop("no column of ", rda, " holds the 11 populations; it has ", toString(names(columns)))
}
population <- columns[[which(holds_populations)[1]]]

counts <- as.matrix(assay(experiment))
genes <- rownames(counts)
stopifnot(
  identical(dim(counts), c(23794L, 299L)), !is.null(genes), !anyDuplicated(genes),
  counts >= 0, counts == round(counts)
)
rows <- order(genes, method = "radix")
fields <- matrix(sprintf("%.0f", counts[rows, ]), nrow = nrow(counts))
lines <- apply(cbind(genes[rows], fields), 1, paste, collapse = "\t")

out <- file(arguments[1], open = "wb") # no carriage returns, on Windows either
writeLines(c(paste(c("gene", population), collapse = "\t"), lines), out, sep = "\n")
close(out)
message(arguments[1], ": ", nrow(counts), " genes, ", ncol(counts), " cells")
