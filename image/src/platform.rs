//! A binary and the platform that it is for. What is not static would not start: the image has nothing else.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::{Error, failed};

/// Such as `linux/amd64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Platform {
    pub(crate) os: String,
    pub(crate) architecture: String,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)
    }
}

/// A file with the binary for a platform.
#[derive(Debug, Clone)]
pub(crate) struct Binary {
    pub(crate) platform: Platform,
    file: PathBuf,
}

impl FromStr for Binary {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = || {
            let (platform, file) = text.split_once('=')?;
            let (os, architecture) = platform.split_once('/')?;
            let platform = Platform { os: os.to_owned(), architecture: architecture.to_owned() };
            Some(Self { platform, file: PathBuf::from(file) })
        };
        parts().ok_or_else(|| "must be as linux/amd64=path/to/connector-operator".to_owned())
    }
}

/// Where an ELF file of 64 bits says what it is, and the kind of segment that names an interpreter (elf(5)).
const PROGRAM_HEADERS: usize = 32;
const HEADER_SIZE: usize = 54;
const HEADERS: usize = 56;
const INTERPRETER: u32 = 3;

impl Binary {
    /// The binary, which is static.
    pub(crate) fn read(&self) -> Result<Vec<u8>, Error> {
        let binary = std::fs::read(&self.file).map_err(failed("reading", &self.file))?;
        match interpreter(&binary) {
            None => Err(Error::NotElf { path: self.file.clone() }),
            Some(Some(interpreter)) => Err(Error::NotStatic { path: self.file.clone(), interpreter }),
            Some(None) => Ok(binary),
        }
    }
}

/// The program that is to load the binary; `None` where it is no ELF file of 64 bits, least significant byte first.
fn interpreter(binary: &[u8]) -> Option<Option<String>> {
    if binary.get(..6)? != [0x7f, b'E', b'L', b'F', 2, 1] {
        return None;
    }
    let half = |at: usize| Some(u16::from_le_bytes(binary.get(at..at + 2)?.try_into().ok()?));
    let word = |at: usize| Some(u32::from_le_bytes(binary.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| usize::try_from(u64::from_le_bytes(binary.get(at..at + 8)?.try_into().ok()?)).ok();
    let (headers, size) = (long(PROGRAM_HEADERS)?, usize::from(half(HEADER_SIZE)?));
    for index in 0..usize::from(half(HEADERS)?) {
        let header = headers.checked_add(index.checked_mul(size)?)?;
        if word(header)? == INTERPRETER {
            let (from, length) = (long(header + 8)?, long(header + 32)?);
            let name = binary.get(from..from.checked_add(length)?)?;
            let name = name.strip_suffix(b"\0").unwrap_or(name);
            return Some(Some(String::from_utf8_lossy(name).into_owned()));
        }
    }
    Some(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_that_needs_a_loader_is_refused_and_what_is_no_binary_too() {
        let own = std::env::current_exe().unwrap();
        let read = |file: PathBuf| {
            let text = format!("linux/amd64={}", file.display());
            text.parse::<Binary>().unwrap().read().map(|_| ()).unwrap_err().to_string()
        };
        let refused = read(own);
        assert!(refused.contains("is no static binary: it asks for the interpreter /lib"), "{refused}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "#!/bin/sh\n").unwrap();
        assert!(read(file.path().to_owned()).contains("is no ELF binary"));
    }

    #[test]
    fn a_platform_comes_before_the_file() {
        assert!("connector-operator".parse::<Binary>().is_err());
        let binary: Binary = "linux/arm64=a=b".parse().unwrap();
        assert_eq!(
            (binary.platform.to_string().as_str(), binary.file),
            ("linux/arm64", PathBuf::from("a=b"))
        );
    }
}
