//! mendpoint-tickets
