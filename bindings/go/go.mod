module example.org/proc_connector/bindings/go

go 1.19
