// Runs what torch's Inductor compiled ahead of time. torch's own way to do that from Python holds the interpreter's
// lock while the code runs; a method of a class that is registered with torch does not.

#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/custom_class.h>
#include <torch/library.h>

namespace {

class Code : public torch::CustomClassHolder {
 public:
  Code(const std::string& package, int64_t at_once) : loader_(package, "model", false, static_cast<size_t>(at_once)) {}

  std::vector<std::string> parameters() { return loader_.get_constant_fqns(); }

  // The parameters are used where they are: whoever gives them keeps them.
  void use(const c10::Dict<std::string, at::Tensor>& given) {
    std::unordered_map<std::string, at::Tensor> parameters;
    for (const auto& entry : given) parameters.emplace(entry.key(), entry.value());
    loader_.load_constants(parameters, false, true, true);
  }

  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) { return loader_.run(inputs); }

 private:
  torch::inductor::AOTIModelPackageLoader loader_;
};

}  // namespace

TORCH_LIBRARY(featdsl, library) {
  library.class_<Code>("Code")
      .def(torch::init<const std::string&, int64_t>())
      .def("parameters", [](const c10::intrusive_ptr<Code>& self) { return self->parameters(); })
      .def("use",
           [](const c10::intrusive_ptr<Code>& self, c10::Dict<std::string, at::Tensor> given) { self->use(given); })
      .def("run",
           [](const c10::intrusive_ptr<Code>& self, std::vector<at::Tensor> inputs) { return self->run(inputs); });
}
