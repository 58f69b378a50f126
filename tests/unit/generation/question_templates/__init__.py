"""Tests of services/generation/question_templates."""
