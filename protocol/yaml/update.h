// SPDX-License-Identifier: MIT
//
// Changes a file on the disk that somebody else maintains: edit_mapping(), then an atomic replacement of the file.
#pragma once

#include "protocol/base/result.h"
#include "protocol/base/secure_file.h"
#include "protocol/yaml/edit.h"

#include <string>
#include <string_view>
#include <vector>

namespace xk::yaml {

// The edits that turn a file with the content `now` into one with the content `wanted`. Both are texts of
// write_fields().
Result<std::vector<Edit>> edits_between(std::string_view now, std::string_view wanted);

// Edits a file that `rules` accept, and keeps its owner, group and mode. There is never half a file, nor one that more
// people can read than before. After a failure the old file is there and no temporary one. Where the file changes
// meanwhile, that is an error and the file stays as it is.
Result<void> edit_file(const std::string& path, const FileRules& rules, const std::vector<Edit>& edits);

} // namespace xk::yaml
