//! mendpoint-store
