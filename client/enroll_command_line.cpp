// SPDX-License-Identifier: MIT
#include "client/enroll_command_line.h"

#include <string>
#include <vector>

namespace xk::client {
namespace {

// Options that ssh gets as they are. Each may come several times, and takes one value.
void add_ssh_options(CLI::App& verb, EnrollArguments& e) {
    struct Passed {
        const char* name;
        const char* what;
    };
    for (const auto& [name, what] :
         {Passed{"-p", "ssh's port"}, Passed{"-i", "ssh's key"}, Passed{"-F", "ssh's configuration"},
          Passed{"-J", "ssh's jump host"}, Passed{"-o", "an option of ssh_config, as ssh takes it"}})
        verb.add_option_function<std::vector<std::string>>(
                name,
                [&e, option = std::string(name)](const std::vector<std::string>& values) {
                    for (const std::string& value : values)
                        e.ssh_options.insert(e.ssh_options.end(), {option, value});
                },
                what)
            ->allow_extra_args(false);
}

} // namespace

void enroll_options(CLI::App& verb, Arguments& a) {
    EnrollArguments& e = a.enroll;
    verb.add_option("from", e.from, "[LOGIN@]HOST: fetch the profile there by ssh; -: a bundle from standard input");
    verb.add_option("--file", e.file, "a file with a bundle (\"xknock1:...\") or a profile");
    verb.add_option("--qr", e.image, "a picture of a bundle's QR code");
    verb.add_option("--passphrase-fd", e.passphrase_fd, "read the bundle's passphrase from this descriptor")
        ->check(CLI::Range(0, 1023));
    verb.add_option("--as", e.name, "what the profile is called here (the host)");
    verb.add_option("--device", e.device, "which one, where profiles of several devices wait on the server");
    verb.add_flag("--force", e.force, "replace another profile of that name");
    auto* const yes = verb.add_flag("-y,--yes", e.yes, "write ssh's lines without a question");
    verb.add_flag("--no-ssh-config", e.no_ssh_config, "leave ssh's configuration as it is")->excludes(yes);
    verb.add_flag("--test", e.test, "knock once, as \"knock-client test\" does");
    verb.add_option("--profiles", a.profiles, "directory of profiles (~/.config/xknock)");
    verb.add_option("--otp", a.otp, "one-time code for --test; it can be seen in the list of processes");
    add_ssh_options(verb, e);
}

void import_options(CLI::App& verb, Arguments& a) {
    verb.add_option("client", a.importing.kind, "capyknock or fwknop")->required();
    verb.add_option("file", a.importing.file, "the old client's file (fwknop: ~/.fwknoprc)");
    verb.add_option("--stanza", a.importing.stanza, "this stanza of fwknop's file alone");
    verb.add_option("--profile", a.profile, "the profile that it goes into (the one for the old client's server)");
    verb.add_option("--profiles", a.profiles, "directory of profiles (~/.config/xknock)");
    verb.add_flag("--dry-run", a.importing.dry_run, "report, and write nothing");
}

} // namespace xk::client
