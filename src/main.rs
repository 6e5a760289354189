//! The program: arguments to `cli`, its verdict to an exit code.

fn main() -> std::process::ExitCode {
    wirewatch::cli::main()
}
