module procconnector

go 1.19
