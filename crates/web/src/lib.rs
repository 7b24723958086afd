//! mendpoint-web
