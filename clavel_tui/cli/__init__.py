"""The command line: one file a verb. stdout carries results, stderr diagnostics; exit codes tell outcomes apart."""
