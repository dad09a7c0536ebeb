"""volpose"""
