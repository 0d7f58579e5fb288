//! The certificate authorities that Mozilla trusts, as one PEM file: those of a pinned crate, so that no image depends on
//! the machine that made it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Characters of a line, by RFC 7468.
const LINE: usize = 64;

/// All of them.
pub(crate) fn pem() -> String {
    let mut text = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let encoded = STANDARD.encode(certificate.as_ref());
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, more) = rest.split_at(LINE.min(rest.len()));
            text.push_str(line);
            text.push('\n');
            rest = more;
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_authority_stands_in_lines_of_64() {
        let pem = pem();
        let count = |line: &str| pem.lines().filter(|it| *it == line).count();
        assert!(count("-----BEGIN CERTIFICATE-----") > 100);
        assert_eq!(count("-----BEGIN CERTIFICATE-----"), count("-----END CERTIFICATE-----"));
        assert!(pem.lines().all(|line| line.len() <= LINE));
    }
}
