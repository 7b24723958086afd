//! mendpoint-gateway
