"""What worker processes do. These modules import neither NumPy nor anything above them: 16 workers must start quickly
and stay small.
"""
