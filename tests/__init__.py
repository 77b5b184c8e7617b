"""Tests of jwmirror."""
