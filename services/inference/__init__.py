"""Deployments, chat and exams."""
