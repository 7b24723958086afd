//! mendpoint-incidents
