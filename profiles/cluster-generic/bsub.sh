#!/bin/sh
# Submit a job to LSF as bsub does, but print only its id, as qsub does.
bsub "$@" | sed -n 's/^Job <\([0-9]*\)>.*/\1/p'
