// SPDX-License-Identifier: MIT
//
// A profile that did not come by ssh: a bundle from standard input, a file or the picture of a QR code, or a plain
// profile from standard input or a file.
#pragma once

#include "client/enroll_arguments.h"
#include "client/person.h"
#include "protocol/base/result.h"
#include "protocol/secret.h"

namespace xk::client {

struct ReceivedProfile {
    Secret<char> text{0};
    bool was_bundle = false;
};

// Asks the person for the bundle's passphrase, unless it comes from a descriptor. A plain profile in a file must be as
// one that knock-client uses: nobody else can read or write it.
Result<ReceivedProfile> receive_profile(const EnrollArguments& e, const Person& person);

} // namespace xk::client
