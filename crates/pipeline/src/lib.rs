//! mendpoint-pipeline
